"""What is told of a person, a card, a card request or a call, and how it is found."""
