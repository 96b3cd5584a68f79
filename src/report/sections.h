/* Sections of a report's page. Each writes its figures and tables, and says in their place what a
 * run does not have. */
#ifndef PACO_REPORT_SECTIONS_H
#define PACO_REPORT_SECTIONS_H

#include "report/runs.h"

/* Loss, accuracies and learning rate by epoch, of one run. */
void section_curves(FILE *out, const RunRecord *run);
/* The same curves of all runs in one frame each: a colour for a group. */
void section_overlay(FILE *out, const Runs *runs);
/* Accuracy of every class against its size. */
void section_tail(FILE *out, const RunRecord *run);
/* What is taken for what: classes by size, in at most 100 x 100 bins. */
void section_confusion(FILE *out, const RunRecord *run);
/* The pairs of classes that are confused most. */
void section_pairs(FILE *out, const RunRecord *run);
/* How often the network is right when it says that it is so sure, and ECE. */
void section_reliability(FILE *out, const RunRecord *run);
/* What the network saw, and images of the worst classes. Opens the run's data sets, and
 * fills in the recipe that its options leave open. */
void section_images(FILE *out, RunRecord *run);
/* Where the time went. */
void section_time(FILE *out, const RunRecord *run);
/* Data, seed, choice of the checkpoint. */
void section_protocol(FILE *out, const RunRecord *run);
/* Options that are not the defaults. */
void section_options(FILE *out, const RunRecord *run);

#endif
