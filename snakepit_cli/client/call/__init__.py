"""One call or stream: what is asked for, the conversation on the socket, what comes back."""
