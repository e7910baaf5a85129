"""What one person may ask for, checked and reserved before a model is called."""
