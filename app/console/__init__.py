"""The Streamlit console: pages that read and write through the HTTP API only."""
