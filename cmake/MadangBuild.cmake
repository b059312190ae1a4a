# Compile flags and the two functions every folder uses.
find_program(MADANG_CCACHE ccache)
if(MADANG_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${MADANG_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${MADANG_CCACHE})
endif()
find_program(MADANG_MOLD mold)
if(MADANG_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_library(madang_flags INTERFACE)
target_compile_options(madang_flags INTERFACE -Wall -Wextra -Wpedantic $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual> -fno-omit-frame-pointer)
target_include_directories(madang_flags INTERFACE ${PROJECT_SOURCE_DIR})
if(MADANG_SANITIZE)
  add_compile_options(-fsanitize=${MADANG_SANITIZE} -fno-sanitize-recover=all)
  if(MADANG_SANITIZE MATCHES undefined)
    # A suppression (cmake/suppressions/ubsan.supp) works only on a check that could go on; UBSAN_OPTIONS=halt_on_error
    # of the test presets makes the others of its kind fatal again.
    add_compile_options(-fsanitize-recover=null)
  endif()
  add_link_options(-fsanitize=${MADANG_SANITIZE})
  add_compile_definitions(MADANG_SANITIZED)
endif()

# Most of a compiler's time goes to the headers and to the templates of theirs that every source instantiates again: a
# target whose sources are compiled as one takes a third. "tests": those of the test programs, "all": of every target; the
# product's own are compiled one by one in release, where a missing include shows. Sources whose unnamed namespaces have
# a name in common with a neighbour's are SEPARATE.
set(MADANG_UNITY "" CACHE STRING "Compile the sources of a target as one: nothing, tests or all")
function(madang_unity name)
  cmake_parse_arguments(ARG "" "" "SEPARATE" ${ARGN})
  set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0)
  set_property(SOURCE ${ARG_SEPARATE} PROPERTY SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

# Code that only tests does not earn its optimisation: it runs once, and -O2 takes three times as long to compile.
add_library(madang_test_flags INTERFACE)
target_compile_options(madang_test_flags INTERFACE -O0)
if(MADANG_SANITIZE MATCHES undefined)
  # Nor the checks of undefined behaviour, which are a third of its compilation: what it calls has them.
  target_compile_options(madang_test_flags INTERFACE -fno-sanitize=undefined)
endif()

# madang_library(name SOURCES... DEPS...): a static library named after its folder.
function(madang_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS;SEPARATE" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  if(MADANG_UNITY STREQUAL "all")
    madang_unity(${name} SEPARATE ${ARG_SEPARATE})
  endif()
  target_link_libraries(${name} PUBLIC madang_flags ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
endfunction()

# madang_test(name LABELS... SOURCES... DEPS...): one GoogleTest program, one ctest entry per test; under AddressSanitizer
# a unit test's program is one entry, since its 2,000 starts take longer than its tests (or SHARDS entries, where it would
# outlast the rest of the suite). The target madang_tests_LABEL builds every program of a label: the tsan build makes
# madang_tests_threads and no more.
function(madang_test name)
  cmake_parse_arguments(ARG "" "SHARDS" "LABELS;SOURCES;DEPS;SEPARATE" ${ARGN})
  if(NOT ARG_SHARDS)
    set(ARG_SHARDS 1)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  if(MADANG_UNITY)
    madang_unity(${name} SEPARATE ${ARG_SEPARATE})
  endif()
  target_link_libraries(${name} PRIVATE madang_flags madang_test_flags ${ARG_DEPS} GTest::gmock GTest::gtest GTest::gtest_main)
  foreach(label ${ARG_LABELS})
    if(NOT TARGET madang_tests_${label})
      add_custom_target(madang_tests_${label})
    endif()
    add_dependencies(madang_tests_${label} ${name})
  endforeach()
  if(MADANG_SANITIZE MATCHES "address" AND "unit" IN_LIST ARG_LABELS)
    foreach(shard RANGE 1 ${ARG_SHARDS})
      math(EXPR index "${shard} - 1")
      add_test(NAME ${name}.${shard} COMMAND ${name})
      set_tests_properties(${name}.${shard} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 1200
        ENVIRONMENT "GTEST_TOTAL_SHARDS=${ARG_SHARDS};GTEST_SHARD_INDEX=${index}")
    endforeach()
    return()
  endif()
  include(GoogleTest)
  # The list is taken apart at four levels on its way into ctest's file; eight backslashes keep it one value.
  string(REPLACE ";" "\\\\\\\\\\\\\\\\;" labels "${ARG_LABELS}")
  # Far more than any takes: a machine may be busy, and a sanitizer slow.
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES LABELS "${labels}" TIMEOUT 600)
endfunction()
