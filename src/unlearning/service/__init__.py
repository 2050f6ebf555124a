"""Online deletion as a service: a folder that forgets samples one request at a time."""
