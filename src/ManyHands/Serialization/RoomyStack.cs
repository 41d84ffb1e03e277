using System.Runtime.ExceptionServices;
using ManyHands.Platform;

namespace ManyHands.Serialization;

/// <summary>
/// Runs what nests deeply on a stack of its own. The serializer wraps an exception once more at every level it passes, which takes
/// some 13 KB of stack each time; a damaged payload of a few dozen levels would otherwise end the process with a stack overflow.
/// </summary>
internal static class RoomyStack
{
    /// <summary>How many levels any thread's stack has room for.</summary>
    public const int LevelsAnywhere = 24;

    // Twice what the deepest allowed failure takes. Only the part that is used becomes memory.
    private const int Size = 16 * 1024 * 1024;

    public static void Run(Action action)
    {
        ExceptionDispatchInfo? failure = null;
        Thread thread = Guarded.NewThread(GuardedEntry.DeepValue, "ManyHands deep value", Start, failed: exception => failure = ExceptionDispatchInfo.Capture(exception), Size);

        // With the caller's execution context: what is decoded may be a user's, and ask for it.
        thread.Start();
        thread.Join();
        failure?.Throw();

        void Start()
        {
            try
            {
                action();
            }
            catch (Exception exception)
            {
                failure = ExceptionDispatchInfo.Capture(exception);
            }
        }
    }
}
