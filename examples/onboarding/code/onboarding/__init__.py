"""An onboarding flow that waits for the ticket archive."""
