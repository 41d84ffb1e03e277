namespace ManyHands;

/// <summary>What keeps worker processes within <see cref="ProcessPoolOptions.MaxWorkerMemory"/>.</summary>
[Flags]
public enum MemoryLimitMechanisms
{
    /// <summary>Nothing: no limit is set, or no worker runs yet.</summary>
    None = 0,

    /// <summary>The garbage collector's hard limit, at three quarters of the whole: managed code gets an <see cref="OutOfMemoryException"/>.</summary>
    GarbageCollector = 1,

    /// <summary>A control group of the kernel for each worker: it ends the worker at the very allocation that goes beyond.</summary>
    ControlGroup = 2,

    /// <summary>This process looks at the worker's resident memory every 50 ms and ends it when that goes beyond.</summary>
    Watchdog = 4,
}
