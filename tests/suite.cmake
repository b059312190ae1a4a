# The one list of what CI runs, in ctest's own language; `./dev test` builds the presets, then runs this as one ctest.
# Everything the release build registers is here test by test, and so are the sanitizer builds' tests, as asan.X and tsan.X
# (sanitized_tests.py wrote them down); a fuzzer is one test. A suite that is missing or empty fails: nothing is skipped.
get_filename_component(root "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)

foreach(preset asan tsan)
  include("${root}/build/suite/${preset}.cmake")
endforeach()
subdirs("${root}/build/release")

file(GLOB fuzzers RELATIVE "${root}/tests/fuzz/corpus" "${root}/tests/fuzz/corpus/*")
foreach(fuzzer ${fuzzers})
  add_test("suite.fuzz.${fuzzer}" "${root}/dev" "fuzz" "${fuzzer}" "60")
  set_tests_properties("suite.fuzz.${fuzzer}" PROPERTIES TIMEOUT 600 LABELS "suite" ENVIRONMENT "MADANG_BUILT=1" COST 60)
endforeach()

add_test("suite.format" "${root}/dev" "format" "--check")
# clang-tidy takes longer than the rest together: it is for what one changes, by hand.
add_test("suite.lint" "${root}/dev" "lint" "--scripts")
set_tests_properties("suite.format" "suite.lint" PROPERTIES TIMEOUT 1200 LABELS "suite")
