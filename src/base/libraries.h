/* Libraries that a module needs and the loader does not find: those that Python's packages brought
 * along. pip lays NVIDIA's in site-packages/nvidia/PART/lib, where no loader looks. */
#ifndef PACO_BASE_LIBRARIES_H
#define PACO_BASE_LIBRARIES_H

/* Loads each of the libraries (names, space between them) that is not loaded yet and is found: in
 * the virtual environment that is active (VIRTUAL_ENV, CONDA_PREFIX), the user's packages, or the
 * system's. */
void libraries_preload(const char *names);

#endif
