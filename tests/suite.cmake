# The one list of what CI runs, in ctest's own language; `./dev test` builds the presets, then runs this as one ctest.
# Everything the release build registers is here test by test; a sanitizer build's run or a fuzzer is one test, which
# shows its own output when it fails. A suite that is missing or empty fails: nothing here is skipped.
get_filename_component(root "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)

subdirs("${root}/build/release")

# The filters (which labels) and the run-time options are the test presets of CMakePresets.json.
# Without address space randomisation, where it may be switched off: g++ 12's ThreadSanitizer does not know all the places that a
# kernel with vm.mmap_rnd_bits above 28 gives a program, and ends at random.
execute_process(COMMAND setarch -R true RESULT_VARIABLE cannot OUTPUT_QUIET ERROR_QUIET)
set(before "")
if(cannot EQUAL 0)
  set(before "setarch -R")
endif()
foreach(preset asan tsan)
  add_test("suite.${preset}" "sh" "-c" "cd '${root}' && exec ${before} ctest --preset ${preset}")
  set_tests_properties("suite.${preset}" PROPERTIES TIMEOUT 2400 LABELS "suite" COST 2000)
endforeach()

file(GLOB fuzzers RELATIVE "${root}/tests/fuzz/corpus" "${root}/tests/fuzz/corpus/*")
foreach(fuzzer ${fuzzers})
  add_test("suite.fuzz.${fuzzer}" "${root}/dev" "fuzz" "${fuzzer}" "60")
  set_tests_properties("suite.fuzz.${fuzzer}" PROPERTIES TIMEOUT 600 LABELS "suite" ENVIRONMENT "MADANG_BUILT=1" COST 60)
endforeach()

add_test("suite.format" "${root}/dev" "format" "--check")
# clang-tidy takes longer than the rest together: it is for what one changes, by hand.
add_test("suite.lint" "${root}/dev" "lint" "--scripts")
set_tests_properties("suite.format" "suite.lint" PROPERTIES TIMEOUT 1200 LABELS "suite")
