"""Grading: students' code in sandboxes, checks outside of them, results in nbgrader's gradebook.

What is graded     spec (what was released), intake, finding, reading, matching, repair (what was handed in)
One submission     judge (cells and tests in order), trusted (tests), outputs, results (what comes out), limits
The other process  zygote, agent, hiding, shell (inside); sandbox, remote, twins, wire (the grader's end, and between)
Isolation          isolation/ (namespaces, Landlock, seccomp, limits)
A class            pipeline (the instructor's steps), workers, cluster, store, commit, session (at the terminal)
nbgrader           plugin (autograde), exporter (generate_feedback)
Reports            feedback, render, gradebook, marks, report, figure, templates/
For others         selfcheck (students), demo (an example class)
"""
