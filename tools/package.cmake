# `cpack` in the build folder makes a Debian package of the program, libpaco_base and the modules under /usr. What they link
# with becomes the package's dependencies, which takes dpkg-shlibdeps (package dpkg-dev); without it there is an archive
# instead. A driver for OpenCL and CLBlast are recommended only: paco runs without them.
set(CPACK_PACKAGE_CONTACT "The openpaco authors <openpaco@localhost>")
set(CPACK_PACKAGE_DESCRIPTION
  "Trains and evaluates PaCo (arXiv 2107.12028), a method for long-tailed image\nrecognition, on OpenCL devices: GPUs of any make, and processors.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_GENERATOR TGZ)
find_program(DPKG_SHLIBDEPS dpkg-shlibdeps)
if(DPKG_SHLIBDEPS)
  set(CPACK_GENERATOR DEB)
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_PACKAGE_SECTION science)
  set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "pocl-opencl-icd | opencl-icd, libclblast1")
endif()
include(CPack)
