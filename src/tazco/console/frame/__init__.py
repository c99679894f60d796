"""What every page stands in: session, forms, texts, drawing, live updates. It knows no page."""
