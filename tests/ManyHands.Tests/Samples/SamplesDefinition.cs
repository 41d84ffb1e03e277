using Xunit;

namespace ManyHands.Tests.Samples;

/// <summary>
/// The samples' tests: one at a time and beside no others. Their builds share the library's folders, and what they run wants the processors for itself.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class SamplesDefinition
{
    public const string Name = "Samples";
}
