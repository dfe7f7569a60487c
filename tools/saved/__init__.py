"""What a comparison leaves in its folder, and how it is read back: records, lines, files.

`header` and `cells` have the records, which `records` turns into JSON and back and checks on the way; `lines` tells
which record a line holds, `old_results` brings the lines of older versions up to date, `attempts` which cells count of
those that were run again, and `results` is the folder.
"""
