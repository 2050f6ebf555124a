"""What the book is made with: running chapters, drawing figures, keeping records.

Nothing is imported here, so that the command `unlearning` starts without PyTorch.
"""
