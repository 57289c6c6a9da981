"""Training a model from its shards with PyTorch Lightning."""
