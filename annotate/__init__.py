"""Labels: from utterances to votes to one label set with provenance."""
