# Writes the header with version and commit: cmake -DSOURCE=FOLDER -DVERSION=V -DOUT=FILE -P version.cmake
# Without git, in an unpacked archive, and in one that lies within a repository of something else, the commit is unknown.
set(commit unknown)
find_program(GIT git)
if(GIT)
  execute_process(COMMAND ${GIT} -C ${SOURCE} rev-parse --show-toplevel
    OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  get_filename_component(source "${SOURCE}" REALPATH)
  if("${top}" STREQUAL "${source}")
    execute_process(COMMAND ${GIT} -C ${SOURCE} rev-parse --verify --quiet --short=12 HEAD
      RESULT_VARIABLE failed OUTPUT_VARIABLE head OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    execute_process(COMMAND ${GIT} -C ${SOURCE} status --porcelain --untracked-files=no
      OUTPUT_VARIABLE changes ERROR_QUIET)
    if(NOT failed)
      set(commit ${head})
      if(NOT "${changes}" STREQUAL "")
        string(APPEND commit " with changes")
      endif()
    endif()
  endif()
endif()

set(text "/* Made by tools/version.cmake. */
#define PACO_VERSION \"${VERSION}\"
#define PACO_COMMIT \"${commit}\"
")
set(old "")
if(EXISTS ${OUT})
  file(READ ${OUT} old)
endif()
if(NOT old STREQUAL text) # what did not change is not compiled again
  file(WRITE ${OUT} "${text}")
endif()
