#!/usr/bin/env python3
"""The bench's group of limits runs, for some seconds a limit: its figures need minutes, and a group that breaks is seen only then."""

import os
import sys
import unittest

from harness import main

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))

import limits  # noqa: E402


class Limits(unittest.TestCase):
    def test_each_form_of_a_limit_is_measured(self):
        limits.WARM_UP_SEC = 1
        forms = ("bucket", "window", "log", "nginx")
        found = limits.run_all([limits.Limit(form, 100, 1) for form in forms], 5)
        self.assertEqual([limit.form for limit, _ in found], list(forms))
        for limit, use in found:
            with self.subTest(limit.words()):
                self.assertGreater(use.share, 0)
                self.assertLess(use.refused, 1)


if __name__ == "__main__":
    main()
