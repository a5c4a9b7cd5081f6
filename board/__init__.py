"""The live page: shows what the tables say, as it changes. Reads only; started by `board.stage.run`."""
