using System.Runtime.CompilerServices;

namespace ManyHands.Serialization;

/// <summary>Ends the walk through a value before its depth can end the stack.</summary>
internal static class NestingLimit
{
    public static Refusal? Examine(int depth)
    {
        if (depth < ExactSerializer.MaxDepth && RuntimeHelpers.TryEnsureSufficientExecutionStack())
            return null;
        return Refusal.Here(
            $"is nested more than {Math.Min(depth, ExactSerializer.MaxDepth)} levels deep, or refers back to itself",
            "send the items as a flat list that refers to others by their index");
    }
}
