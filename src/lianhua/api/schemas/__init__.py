"""Bodies of requests and answers, and how the service's values become them."""
