"""The lab, which is no part of the product: simulator, bench, demo, embedded servers, process supervisor."""
