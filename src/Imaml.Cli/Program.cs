// The program `imaml`: one root command, whose subcommands live in Commands, one file each.

using System.CommandLine;

var root = new RootCommand("Few-shot meta-learning with implicit gradients (iMAML)");
return root.Parse(args).Invoke();
