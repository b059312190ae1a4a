# ThreadSanitizer sees only what was compiled for it. Debian's CAF was not: the atomics by which an actor's mailbox hands a
# message from thread to thread are invisible, and every hand-over looks like a race (60 reports for a 50-line program).
# Suppressing those would hide ours with them, so the tsan build compiles the same version's sources.
set(MADANG_CAF_SOURCE "" CACHE PATH "CAF's source tree, to be compiled with the sanitizer")
if(MADANG_CAF_SOURCE)
  foreach(component core io)
    file(GLOB_RECURSE caf_sources ${MADANG_CAF_SOURCE}/libcaf_${component}/src/*.cpp)
    if(NOT caf_sources)
      message(FATAL_ERROR "There is no CAF in ${MADANG_CAF_SOURCE}: `./dev build tsan` gets it")
    endif()
    # Against the installed headers, which our code includes too: one definition of everything.
    set(caf_library caf_${component}_instrumented)
    add_library(${caf_library} STATIC EXCLUDE_FROM_ALL ${caf_sources})
    target_compile_options(${caf_library} PRIVATE -w)
    set_target_properties(${caf_library} PROPERTIES CXX_STANDARD 17 UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 24 ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
    target_link_libraries(${caf_library} PUBLIC Threads::Threads)
    set_target_properties(CAF::${component} PROPERTIES IMPORTED_LOCATION ${PROJECT_BINARY_DIR}/lib${caf_library}.a)
    add_dependencies(CAF::${component} ${caf_library})
    set_property(TARGET CAF::${component} APPEND PROPERTY INTERFACE_LINK_LIBRARIES Threads::Threads)
  endforeach()
endif()
