"""The report: one HTML file that needs no network, drawn from a results folder and from nothing else.

`page` puts the sections together, `sections` says what each one holds, and `telling` what stands in words; `charts` and
`measured_charts` draw the figures (`drawing` has what they share), and the templates say how it all looks. A new
section is a function in `sections`, a template, and a place in its list.
"""
