# ThreadSanitizer sees only what was compiled for it. Debian's libcaf_core was not: the atomics by which an actor's mailbox
# hands a message from thread to thread are invisible, and every hand-over looks like a race (60 reports for a 50-line
# program). Suppressing those would hide ours with them, so the tsan build compiles the same version's sources.
set(MADANG_CAF_SOURCE "" CACHE PATH "CAF's source tree, to be compiled with the sanitizer")
if(MADANG_CAF_SOURCE)
  file(GLOB_RECURSE caf_sources ${MADANG_CAF_SOURCE}/libcaf_core/src/*.cpp)
  if(NOT caf_sources)
    message(FATAL_ERROR "There is no CAF in ${MADANG_CAF_SOURCE}: `./dev build tsan` gets it")
  endif()
  # Against the installed headers, which our code includes too: one definition of everything.
  add_library(caf_core_instrumented STATIC EXCLUDE_FROM_ALL ${caf_sources})
  target_compile_options(caf_core_instrumented PRIVATE -w)
  set_target_properties(caf_core_instrumented PROPERTIES CXX_STANDARD 17)
  target_link_libraries(caf_core_instrumented PUBLIC Threads::Threads)
  set_target_properties(CAF::core PROPERTIES IMPORTED_LOCATION ${PROJECT_BINARY_DIR}/libcaf_core_instrumented.a)
  set_target_properties(caf_core_instrumented PROPERTIES ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
  add_dependencies(CAF::core caf_core_instrumented)
  set_property(TARGET CAF::core APPEND PROPERTY INTERFACE_LINK_LIBRARIES Threads::Threads)
endif()
