"""Starting processes by exec or by a template's fork; each is registered before it runs."""
