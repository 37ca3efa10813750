"""The same programs for both SDKs, played against every service, and their histories."""
