"""The pages with which an operator looks after the mailboxes, and who may open them."""
