"""The nine stages, a module each but for the two that build, which are one function with another toolchain."""
