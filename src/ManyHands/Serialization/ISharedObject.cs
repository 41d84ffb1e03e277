using ManyHands.Serialization;

namespace ManyHands;

/// <summary>
/// What processes share, and what doesn't travel by value: an argument or a result of this type arrives as the same object, in shared memory. <see cref="SharedObject"/> opens it by name.
/// Only the library implements it.
/// </summary>
/// <typeparam name="TSelf">The type itself.</typeparam>
public interface ISharedObject<TSelf>
    where TSelf : class, ISharedObject<TSelf>
{
    /// <exception cref="ObjectDisposedException">This process has disposed of it.</exception>
    internal SharedReference Refer();

    /// <summary>This process's view of the object.</summary>
    internal static abstract TSelf Attach(in SharedReference reference);

    /// <summary>Whether it means anything to processes that nobody has passed it to.</summary>
    internal static virtual bool CanBeNamed => true;
}
