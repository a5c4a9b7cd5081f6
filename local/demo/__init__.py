"""`driftline demo`: embedded servers, model, replay with an injected drift, and a live view in the terminal."""
