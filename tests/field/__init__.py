"""Cases from the field: what users of such tools have run into elsewhere, one file a theme."""
