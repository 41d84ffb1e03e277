namespace ManyHands;

/// <summary>Why a shared object can't be had by a name.</summary>
public enum SharedNameError
{
    /// <summary>No living process has an object by that name.</summary>
    NotFound,

    /// <summary>There is one already, and a new one was to be made.</summary>
    Taken,

    /// <summary>What has that name is of another type.</summary>
    OtherType,

    /// <summary>What has that name is of a type of the same name, which is made of other fields there than here; the message has both.</summary>
    OtherLayout,

    /// <summary>Another process was stopped while it opened the name, and keeps all others from it.</summary>
    Busy,

    /// <summary>What stands where names are kept could be somebody else's work. It was not used.</summary>
    Unsafe,
}

/// <summary>A shared object can't be had by a name; <see cref="Error"/> says why, and the message what to do.</summary>
public sealed class SharedNameException : IOException
{
    internal SharedNameException(SharedNameError error, string? name, string message)
        : base(message)
    {
        Error = error;
        Name = name;
    }

    /// <summary>Why.</summary>
    public SharedNameError Error { get; }

    /// <summary>The name; null if it is about all names.</summary>
    public string? Name { get; }
}
