//! Ways in which inputs hide, each as a sequence: build, change the world, build again, compare.
