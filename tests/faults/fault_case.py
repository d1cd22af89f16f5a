"""What all tests with faults have: one place for a class of them, and the judgement of a run that failed."""

import unittest

import scenes


class FaultTestCase(unittest.TestCase):
    longMessage = False

    @classmethod
    def setUpClass(cls):
        cls.place = scenes.Place()
        cls.addClassCleanup(cls.place.close)

    def report(self, problems, cases):
        print(f"{self.id().split('.', 1)[1]}: {len(cases)} cases, {len(problems)} problems", flush=True)
        self.assertGreater(len(cases), 0)
        self.assertEqual(problems, [], "\n" + "\n".join(problems[:40]))

    def failure_problems(self, started, result, codes, *names):
        """A run that failed as it should: the code, the words with one of the names, and nothing left."""
        text = result.stderr.decode("utf-8", "replace")
        problems = []
        if result.returncode not in codes:
            problems.append(f"exits {result.returncode}, not {codes}: {text[-300:]}")
        elif "error: " not in text or f"(exit {result.returncode})" not in text:
            problems.append(f"says no error: {text[-300:]}")
        elif not any(name in text for name in names):
            problems.append(f"names none of {names}: {text[-300:]}")
        after = scenes.snapshot(started.out)
        if after != started.before:
            problems.append(f"leaves {sorted(set(after.items()) ^ set(started.before.items()))}")
        return problems
