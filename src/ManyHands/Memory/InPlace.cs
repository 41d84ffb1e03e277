using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Memory;

/// <summary>Values that are used where they stand in memory that other processes may write to at any time.</summary>
internal static class InPlace
{
    /// <exception cref="ArgumentException">Not all bits are such a value.</exception>
    public static void Require<T>()
    {
        if (BitPatterns<T>.WhyNotInPlace is { } refusal)
            throw new ArgumentException($"{ExceptionText.MessageOf(refusal.ToException(typeof(T)))} A SharedValue checks what it reads and takes such values.");
    }
}
