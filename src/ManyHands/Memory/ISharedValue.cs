namespace ManyHands;

/// <summary>
/// What a shared value can do wherever it is: in memory that processes share (<see cref="SharedValue{T}"/>), or with a manager. Code that takes this takes both.
/// </summary>
/// <typeparam name="T">What the value is; the same on all sides.</typeparam>
public interface ISharedValue<T> : IDisposable
{
    /// <summary>The value as a whole, as somebody has set it.</summary>
    T Value { get; set; }

    /// <summary>Sets it.</summary>
    /// <returns>What it was before.</returns>
    T Exchange(T value);

    /// <summary>Sets it if it is what the caller thinks.</summary>
    /// <param name="value">What to set.</param>
    /// <param name="comparand">What it has to be for that; compared as it travels, byte by byte.</param>
    /// <returns>What it was before; equal to <paramref name="comparand"/> if it was set.</returns>
    T CompareExchange(T value, T comparand);

    /// <summary>Changes it, as if nobody else did meanwhile.</summary>
    /// <param name="change">From the old value to the new; called again if somebody else was quicker.</param>
    /// <returns>The new value.</returns>
    T Update(Func<T, T> change);
}
