"""The code under which approvers may decide a card request, and until when."""
