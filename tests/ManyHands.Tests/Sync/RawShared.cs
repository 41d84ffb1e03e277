using System.Reflection;
using ManyHands.Memory;
using ManyHands.Platform;

namespace ManyHands.Tests.Sync;

/// <summary>The memory of what processes share, to see how far another is, and to leave in it what a dead one would.</summary>
internal static unsafe class RawShared
{
    /// <summary>A process that has ended, as a robust lock's word has it: this one's number, and another start.</summary>
    public static ulong Dead => RobustLock.Own ^ (1UL << 32);

    public static uint Read(object shared, int offset) => Volatile.Read(ref *(uint*)(Body(shared) + offset));

    public static void Write(object shared, int offset, ulong value) => Volatile.Write(ref *(ulong*)(Body(shared) + offset), value);

    public static void Write(object shared, int offset, uint value) => Volatile.Write(ref *(uint*)(Body(shared) + offset), value);

    private static byte* Body(object shared) =>
        ((SharedBlock)shared.GetType().GetField("block", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(shared)!).Body;
}
