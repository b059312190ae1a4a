#!/usr/bin/env python3
"""The name check on small trees."""
import pathlib
import tempfile
import unittest

import names


class Names(unittest.TestCase):
    def problems(self, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return list(names.check(root))

    def test_allows_a_source_that_is_named_or_globbed(self):
        self.assertEqual(self.problems({"actors/a.cpp": "", "actors/CMakeLists.txt": "add_library(x a.cpp)"}), [])
        self.assertEqual(self.problems({"tests/unit/x/a_test.cpp": "", "tests/CMakeLists.txt": "file(GLOB f unit/*.cpp)"}), [])

    def test_refuses_a_source_that_nothing_builds(self):
        self.assertIn("no CMakeLists.txt", self.problems({"actors/a.cpp": "", "actors/CMakeLists.txt": "b.cpp"})[0])

    def test_refuses_camel_case(self):
        self.assertIn("snake_case", self.problems({"actors/MyActor.hpp": "#pragma once\n"})[0])

    def test_refuses_a_header_without_a_guard(self):
        self.assertIn("pragma", self.problems({"actors/a.hpp": ""})[0])
        self.assertIn("guard", self.problems({"plugins/sdk/a.h": ""})[0])
        self.assertEqual(self.problems({"plugins/sdk/a.h": "#ifndef A_H\n#define A_H\n#endif\n"}), [])

    def test_refuses_a_sleeping_unit_test(self):
        found = self.problems({"tests/unit/a/a_test.cpp": "std::this_thread::sleep_for (1s);", "tests/CMakeLists.txt": "*.cpp"})
        self.assertIn("sleeps", found[0])


if __name__ == "__main__":
    unittest.main()
