"""What a comparison may conclude from its rounds: arithmetic alone, no files and no clocks.

The unit of replication is a server start, so everything here is about a handful of rounds, never about thousands of
requests. Where a method from a book is too sure of itself with five values, the one that is honest with five is used.

Modules: `intervals` is an estimate and the range that holds it, `ratios` compares two models, `moderating` does so with
what all models say of the noise, `ranking` puts many into tiers, `control` judges the session by one model that was
entered twice, `adjusting` takes out what the machine's changing speed did to a figure, `scaling` fits the Universal
Scalability Law, `slopes` tells memory per connection.

scipy takes most of a second to import: functions import what they need of it, so that this package costs a command
that draws no conclusions nothing.
"""
