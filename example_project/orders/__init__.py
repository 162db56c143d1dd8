"""An order API: `orders.app.handler` is what Lambda calls."""
