#!/usr/bin/env python3
"""The include check on small trees: it must refuse what the tables forbid and let pass what they allow."""
import pathlib
import tempfile
import unittest

import include_edges


class IncludeEdges(unittest.TestCase):
    def problems(self, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return include_edges.check(root)

    def assert_allows(self, files):
        self.assertEqual(self.problems(files), [])

    def assert_refuses(self, files, *words):
        found = self.problems(files)
        self.assertEqual(len(found), 1, found)
        for word in words:
            self.assertIn(word, found[0])

    def test_allows_an_arrow_down(self):
        self.assert_allows({"actors/a.cpp": '#include "broker/core/b.hpp"\n', "broker/core/b.hpp": ""})

    def test_refuses_an_arrow_up_and_names_the_line(self):
        self.assert_refuses({"broker/core/b.hpp": '\n#include "actors/a.hpp"\n', "actors/a.hpp": ""},
                            "broker/core/b.hpp:2", "actors")

    def test_refuses_an_arrow_between_siblings(self):
        self.assert_refuses({"broker/auth/a.cpp": '#include "broker/protocol/p.hpp"\n', "broker/protocol/p.hpp": ""},
                            "broker/auth may not include broker/protocol")

    def test_refuses_an_arrow_up_to_a_generated_header(self):
        self.assert_refuses({"broker/core/b.cpp": '#include "monitoring/metric_table.hpp"\n'}, "monitoring")

    def test_refuses_a_relative_include(self):
        self.assert_refuses({"actors/a.cpp": '#include "b.hpp"\n', "actors/b.hpp": ""}, "path from the root")

    def test_refuses_our_own_header_in_angle_brackets(self):
        self.assert_refuses({"actors/a.cpp": "#include <broker/core/b.hpp>\n"}, "quotes")

    def test_refuses_a_library_outside_its_home(self):
        self.assert_refuses({"actors/a.cpp": "#include <boost/beast/core.hpp>\n"}, "Beast")
        self.assert_refuses({"broker/core/a.cpp": "#include <dlfcn.h>\n"}, "plugins/host")
        self.assert_refuses({"broker/app/a.cpp": "#include <rocksdb/db.h>\n"}, "storage")

    def test_allows_a_library_at_home(self):
        self.assert_allows({"actors/a.cpp": "#include <caf/all.hpp>\n", "storage/s.cpp": "#include <rocksdb/db.h>\n"})

    def test_refuses_a_heavy_header_in_a_header_but_not_in_an_implementation(self):
        self.assert_refuses({"actors/a.hpp": "#include <caf/actor.hpp>\n"}, "a header includes")
        self.assert_allows({"actors/a_impl.hpp": "#include <caf/actor.hpp>\n"})

    def test_refuses_an_implementation_in_a_header(self):
        self.assert_refuses({"actors/a.hpp": '#include "actors/a_impl.hpp"\n', "actors/a_impl.hpp": ""},
                            "implementation")

    def test_refuses_a_plugin_that_knows_the_server_or_its_neighbour(self):
        self.assert_refuses({"plugins/chat/c.cpp": '#include "broker/core/b.hpp"\n', "broker/core/b.hpp": ""},
                            "a plugin includes")
        self.assert_refuses({"plugins/chat/c.cpp": '#include "plugins/ping/p.hpp"\n', "plugins/ping/p.hpp": ""},
                            "a plugin includes")
        self.assert_allows({"plugins/chat/c.cpp": '#include <madang/consumer.hpp>\n#include "words.hpp"\n',
                            "plugins/chat/words.hpp": ""})

    def test_refuses_the_sdk_below_the_plugin_host(self):
        self.assert_refuses({"broker/protocol/p.cpp": '#include "madang/abi.h"\n'}, "SDK")
        self.assert_allows({"plugins/host/h.cpp": '#include "madang/abi.h"\n'})

    def test_refuses_a_folder_it_does_not_know(self):
        self.assert_refuses({"broker/misc/m.cpp": ""}, "no folder")


if __name__ == "__main__":
    unittest.main()
