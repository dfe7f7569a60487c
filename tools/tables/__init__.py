"""What a comparison found, in words and figures for a reader: the same tables in the terminal and in the report.

`tabular` is a table without a medium, and `terminal` draws it. `of_comparison` has the tables of a comparison, with
`remarks` below each, `belief` on how far to trust them, `pythons` on what ran the servers and `fitness` on the machine;
`memory`, `scaling`, `capacity` and `stevens` (with what he `published`) have tables of their own, and `advice` what
follows from them. `summary_file` is the same for a program, and `against` shows two comparisons side by side.
"""
