"""The vendor's API: the questions, the pages of the answers, and the calls that fetch them."""
