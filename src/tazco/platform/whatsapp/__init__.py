"""WhatsApp made boring: messages out by either provider, messages in verified and parsed; knows nothing about credit."""
