"""Exercises: a function to complete, and a check that says at once and in words what is still wrong.

One module per lesson, under the name of the lesson's own, each with its `check`:

    from medloc_lib.exercises.enhancement import check
    check(stretch)
"""
